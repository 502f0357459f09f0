// Package ctl has the commands that ask a running program, and how they reach it: by its
// admin address or, if that is a follower's, by the leader's.
//
// What a program answers is as hostile as the objects and errors that it shows: answers
// are bounded, and texts are shown without what could do something to a terminal.
package ctl
