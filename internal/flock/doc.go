// Package flock locks open files against other processes, with flock(2). Such a
// lock is advisory: it keeps out who asks for it. It ends when the file is closed by
// all that have it open, and with the process.
//
// To the kernel a second open file of the same process is as good as another
// process's. Any number of goroutines may lock different files.
package flock
