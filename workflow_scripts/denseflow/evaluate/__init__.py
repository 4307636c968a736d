"""Scoring of runs against judgements, by trec_eval."""
