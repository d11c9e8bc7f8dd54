"""Rewards: how good is this solution, or the part of it that stands?"""

from dynasor.rewards.protocol import Reward, Solution

__all__ = ["Reward", "Solution"]
