"""The order in which queued runs start, and the experiments that queue many of them. Uses what a repository may."""
