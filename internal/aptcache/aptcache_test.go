package aptcache

import (
	"strings"
	"testing"
)

func TestSystem(t *testing.T) {
	if got := system(); strings.ContainsAny(got, "/ ") || strings.Count(got, "-") < 2 {
		t.Errorf("%q is no name of a folder that tells release and architecture", got)
	}
}
