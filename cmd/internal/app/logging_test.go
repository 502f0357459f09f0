package app

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestDurationsAreLoggedWithTheirUnit(t *testing.T) {
	for format, want := range map[string]string{"json": `"timeout":"20s"`, "text": "timeout=20s"} {
		var out bytes.Buffer
		newLogger(&out, "info", format).Info("Asked to stop", "timeout", 20*time.Second)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, want %s", format, out.String(), want)
		}
	}
}
