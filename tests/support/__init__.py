"""What the tests share: real servers, real worker processes, and bounded waits that say what they waited for."""
