"""What the tests share: small inputs, servers, re-statements and oracles."""
