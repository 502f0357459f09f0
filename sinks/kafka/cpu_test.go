package kafka_test

import (
	"syscall"
	"testing"
	"time"
)

// cpuUsed returns how much CPU this process has used.
func cpuUsed(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
