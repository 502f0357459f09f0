// Package child runs programs that this process starts, watches and ends: Fairlead
// itself, for the demo and the chaos, and the servers of test control planes.
//
//	Start(name, cmd, log) ──▶ running ──▶ Exited is closed; Err, EndedBy
//	                             ▲
//	           Stop (SIGTERM, then SIGKILL), Kill, Signal
//
// A child is in a process group of its own, so that Ctrl-C in a terminal reaches
// this process, which then ends the child in its own way. On Linux it does not
// outlive this process, however that ends. All that it writes goes into a file.
//
// All methods may be called concurrently.
package child
