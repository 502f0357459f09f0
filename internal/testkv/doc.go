// Package testkv starts the servers that locks on etcd and Consul are tested on.
//
//	StartEtcd ── the etcd of internal/controlplane ──▶ 1 to n members on 127.0.0.1
//	StartConsul ── $FAIRLEAD_CONSUL, or a build ─────▶ one agent, which is its own server
//
// A server has its data in a folder of the test's, keeps its port while it is stopped,
// and ends with the test. Where there is no program to start, the test is skipped; with
// fairleadtest.RequireEnv set it fails.
//
// Consul is built by package testprogram, of the last series of versions that are open
// source (MPL-2.0): by internal/testkv/cmd, which make calls.
//
// The functions may be called concurrently; a [Server] is used by one goroutine at a
// time.
package testkv
