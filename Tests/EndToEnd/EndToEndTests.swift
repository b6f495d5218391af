import Testing

/// Real processes over real TLS, one test after the other; `make test` runs them under a watchdog.
@Suite(.serialized) struct EndToEndTests {}
