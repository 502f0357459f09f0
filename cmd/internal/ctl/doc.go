// Package ctl has the commands that ask a running program, and how they reach it.
//
//	command ──▶ Client ──▶ way ─┬─ --admin: an address of this machine
//	   ▲                        └─ -n, --pod, ...: API server of the hub ──▶ kubelet ──▶ Pod
//	   └── Output ◀── answer        (pods/portforward; the Lease names the leader's Pod)
//
// A follower's answer names the leader. Then the Client goes on to that one, once: by the
// address that the lock names, or to its Pod if that is one of Fairlead's.
//
// What a program answers is as hostile as the objects and errors that it shows: answers
// are bounded, and texts are shown without what could do something to a terminal. What the
// API server of the hub answers is trusted as kubectl trusts it. Errors of both are
// without credentials.
//
// In a Pod it takes the rights to list Pods, to get the Lease, and to get and create
// pods/portforward; docs/cli.md has the Role. No port is opened on this machine.
//
// A new command is a function NewX in a file of its own: it adds the flags of a Client and
// an Output, asks with Client.Get, Post, Stream or Clusters, and prints with Output.Print.
// Its end says what became of it: ExitError has the exit codes.
package ctl
