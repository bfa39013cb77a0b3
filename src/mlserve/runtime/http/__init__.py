"""HTTP/1.1 on asyncio: connections, heads, replies, and what one client may take."""
