package lease_test

import (
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/lease"
)

func TestKind(t *testing.T) {
	kinds := []locks.Kind{lease.Kind()}
	if err := locks.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	s, err := locks.Parse(kinds, "lease:fairlead/my.lock")
	if err != nil || s.Identity != "lease:fairlead/my.lock" || !s.NeedsHub {
		t.Fatalf("%+v, %v", s, err)
	}
	l, err := s.Open(t.Context(), locks.Env{Identity: "me", Hub: &rest.Config{Host: "https://hub.invalid"}})
	if err != nil || l.Identity() != "me" || l.Describe() != "fairlead/my.lock" {
		t.Errorf("%v, %v", l, err)
	}
	if _, err := s.Open(t.Context(), locks.Env{Identity: "me"}); err == nil {
		t.Error("it opens without a hub")
	}
	if _, err := s.Open(t.Context(), locks.Env{Hub: &rest.Config{}}); err == nil {
		t.Error("it opens for nobody")
	}
	for text, wants := range map[string][]string{
		"lease:":            {"lease:NAMESPACE/NAME"},
		"lease:x":           {"lease:NAMESPACE/NAME"},
		"lease:A_/B_":       {"cannot be a namespace", "cannot be the name of a Lease"},
		"lease:a/b/c":       {"cannot be the name"},
		"lease:a/b?ttl=15s": {"ttl is unknown"},
	} {
		_, err := locks.Parse(kinds, text)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", text, err, want)
			}
		}
	}
}
