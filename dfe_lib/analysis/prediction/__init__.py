"""Prediction from one vector per recording: the protocol, its metrics, controls and audits."""
