"""An invented wholesale dairy distributor, made from a seed: its people, clients, mail, meetings and contacts."""
