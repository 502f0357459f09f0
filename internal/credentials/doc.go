// Package credentials reads the files that a client of a backend proves itself with,
// and knows the server by: passwords, tokens, certificates.
//
//	parameters ca, cert, key, server-name ──▶ TLS ── Config ──▶ tls.Config ── each handshake ──▶ files
//	parameter  password-file, token-file  ─────── Read ──────▶ text
//
// # Guarantees
//
//   - Files are read again: those of TLS at each handshake, and a password or token
//     whenever Read is called. What is replaced on disk is used without a restart.
//   - A certificate or CA that cannot be read does not take the place of the last good
//     one. A pair of which one file is replaced before the other is such a case.
//   - Nothing is read that is no regular file, or too large.
//   - An error names the file and the parameter, and never holds what is in a file.
//
// A TLS and a tls.Config made of it may be used from any goroutine. The package opens
// no connection, watches no file and writes none.
package credentials
