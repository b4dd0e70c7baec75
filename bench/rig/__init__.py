"""What `bench/run` is made of: the app, the proxies, the loads, and how they are measured and written down."""
