"""Results in the JSON of DPR (Karpukhin et al., 2020), for programs that read it; what reads it is in dataset/."""
