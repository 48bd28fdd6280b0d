"""From a laptop to ten thousand hours: worker processes, data larger than memory, what it all costs, and kills."""
