"""Rewards: how good is this solution, or the part of it that stands?"""

from dynasor.rewards.functions import Function
from dynasor.rewards.judges import Judge, JudgeUndecided, YesNo
from dynasor.rewards.likelihood import Likelihood
from dynasor.rewards.opening import REWARD_CHOICES, REWARDS, entered, open_reward
from dynasor.rewards.protocol import Reward, Solution

__all__ = [
    "REWARDS",
    "REWARD_CHOICES",
    "Function",
    "Judge",
    "JudgeUndecided",
    "Likelihood",
    "Reward",
    "Solution",
    "YesNo",
    "entered",
    "open_reward",
]
