// Package testlogs starts the store of logs that formats of the HTTP sink are tested on.
//
//	StartVictoriaLogs ── $FAIRLEAD_VICTORIALOGS, or a build ──▶ one server on 127.0.0.1
//
// VictoriaLogs is built by package testprogram (Apache-2.0): by internal/testlogs/cmd,
// which make calls. A server has its data in a folder of the test's, and ends with the
// test. Where there is no program to start, the test is skipped; with
// fairleadtest.RequireEnv set it fails.
//
// The functions may be called concurrently; a [Server] is used by any goroutine.
package testlogs
