"""Published files of the simulated Binance: made of the seed when somebody asks for one, for days that are over in market time."""
