// Package volume lets a test have a volume of its own that is soon full, without
// being root: a child process is started with [OwnMounts] and calls [Mount], or is the test
// itself once more, which is what [Inside] does.
//
// Only that child and its own children see the volume, and it ends with them.
// Where the system allows none, starting the child or mounting fails, and the test
// is to be skipped. Both may be called at any time from any goroutine.
package volume
