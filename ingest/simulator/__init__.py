"""Exchanges on this machine: a market made from a seed, or a recording, behind the venues' own websocket protocols."""
