package ctl

import (
	"strings"
	"testing"
)

func TestThePodOfAHost(t *testing.T) {
	long := strings.Repeat("a", 62)
	running := []string{"fairlead-0", long + "-7d9f-x2x4b", strings.Repeat("b", 63) + "-1", strings.Repeat("b", 63) + "-2"}
	for host, want := range map[string]string{
		"fairlead-0": "fairlead-0", "fairlead": "", "": "",
		long: running[1], strings.Repeat("a", 50): "",
		strings.Repeat("b", 63): "", // one of two
	} {
		if got := podOf(running, host); got != want {
			t.Errorf("host %q is of Pod %q, want %q", host, got, want)
		}
	}
}
