// Package tcpline is the network between a client and a server of a test, which can be
// made to fail.
//
//	client ── 127.0.0.1:PORT ── Line{Faults} ──▶ server
//
// It carries bytes and knows no protocol: a client speaks TLS with the server itself.
// Bytes are late, but never lost and never out of order, unless a connection ends. To
// lose an answer, set Mute, and then cut the line.
package tcpline
