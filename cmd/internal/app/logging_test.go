package app

import (
	"bytes"
	"errors"
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

func TestCredentialsAreNotLogged(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.canary"
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(&out, "info", format).WithValues("from", "https://u:canary@hub")
		log.Error(errors.New("malformed HTTP response: Bearer "+token), "It cannot be read")
		log.Info("It says", "what", token, "many", []string{"as it is"})
		if got := out.String(); strings.Contains(got, "canary") || strings.Count(got, "[redacted]") != 4 || !strings.Contains(got, "malformed") || !strings.Contains(got, "as it is") {
			t.Errorf("%s: %s", format, got)
		}
	}
}
