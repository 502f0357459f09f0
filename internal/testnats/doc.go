// Package testnats starts NATS servers with JetStream in the process of a test.
//
//	New ──▶ Server{Options} ── Start ──▶ it takes connections ── Kill ──▶ Start
//
// A server keeps its port and its data while it is down. It listens on the loopback only,
// and ends with the test. Several become a cluster by their Options.
//
// A [Server] is used by one goroutine at a time; what it embeds may be used by any.
package testnats
