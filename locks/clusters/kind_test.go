package clusters_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/fairleadtest"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/clusters"
)

// named is a cluster of a kubeconfig.
type named string

func (n named) Name() string         { return string(n) }
func (n named) Config() *rest.Config { return &rest.Config{Host: "https://" + string(n) + ".invalid"} }

func TestKind(t *testing.T) {
	kinds := []locks.Kind{clusters.Kind()}
	if err := locks.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := fairleadtest.WriteKubeconfig(file, named("a"), named("b"), named("c")); err != nil {
		t.Fatal(err)
	}
	s, err := locks.Parse(kinds, "clusters:a,b,c?namespace=ns&uids=1,2,3&kubeconfig="+file)
	if err != nil || s.Identity != "clusters:a,b,c/ns/fairlead" || s.NeedsHub {
		t.Fatalf("%+v, %v", s, err)
	}
	l, err := s.Open(t.Context(), locks.Env{Identity: "me"})
	if err != nil || l.Identity() != "me" || l.Describe() != "ns/fairlead of a,b,c" {
		t.Fatalf("%v, %v", l, err)
	}
	if _, err := s.Open(t.Context(), locks.Env{}); err == nil {
		t.Error("it opens for nobody")
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("users: {token: hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, wants := range map[string][]string{
		"clusters:a,b,d?kubeconfig=" + file:                {"no context \"d\""},
		"clusters:a,b,c?kubeconfig=/nowhere/x":             {"/nowhere/x does not exist"},
		"clusters:a,b,c?kubeconfig=" + broken:              {broken, "cannot be read"},
		"clusters:":                                        {"clusters:A,B,C"},
		"clusters:a,b":                                     {"2 voters; from 3 to 15"},
		"clusters:" + strings.Repeat("x,", 15) + "y":       {"16 voters", "named twice"},
		"clusters:a,b,a":                                   {"\"a\" is named twice"},
		"clusters:a,,b c,x=y":                              {`""`, `"b c"`, `"x=y"`},
		"clusters:a,b,c?uids=1,2":                          {"2 UIDs for 3 voters"},
		"clusters:a,b,c?uids=1,2,1":                        {"has the UID of another"},
		"clusters:a,b,c?namespace=N_&name=" + "%2F" + "&n": {"cannot be a namespace", "cannot be the name of a Lease", "n is unknown"},
	} {
		s, err := locks.Parse(kinds, text)
		if err == nil {
			_, err = s.Open(t.Context(), locks.Env{Identity: "me"})
		}
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v, want an error with %q", text, err, want)
			}
		}
	}
}
