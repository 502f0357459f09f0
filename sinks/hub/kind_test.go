package hub

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

func TestParse(t *testing.T) {
	kinds := sinks.Kinds{Kind()}
	for text, identity := range map[string]string{
		"hub:records": "hub:records",
		"hub:records?kubeconfig=/k&qps=0&object=full&install=true&deleted-for=24h": "hub:records",
		"hub:records?context=paris&connections=4&batch=2":                          "hub:paris/records",
		"hub:records?name=other": "other",
	} {
		s, err := kinds.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if s.Identity != identity || s.MinBatch > s.MaxBatch {
			t.Errorf("%s is %+v", text, s)
		}
	}
	for text, says := range map[string]string{
		"hub:":                           "",
		"hub:Records":                    "cannot be a namespace",
		"hub:a/b":                        "cannot be a namespace",
		"hub:records?object=some":        "metadata",
		"hub:records?qps=-1":             "qps",
		"hub:records?burst=0":            "burst",
		"hub:records?deleted-for=1s":     "deleted-for",
		"hub:records?token=secret":       "token",
		"hub:records?install=perhaps":    "install",
		"hub:records?connections=100000": "connections",
	} {
		_, err := kinds.Parse(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A sink opens while nobody says where the hub is: that is an error of its writes.
func TestOpen(t *testing.T) {
	spec, err := sinks.Kinds{Kind()}.Parse("hub:records?kubeconfig=" + t.TempDir() + "/none")
	if err != nil {
		t.Fatal(err)
	}
	to, err := spec.Open(t.Context(), sinks.Env{Log: logr.Discard(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	s := to.(*Sink)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = s.Write(t.Context(), []*pipeline.Change{state("a", 1)})
	if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("Write: %v", err)
	}
	for _, wrong := range []Options{{}, {Namespace: "n", Config: s.o.Config, QPS: 1}, {Namespace: "n", Config: s.o.Config, DeletedFor: 1}} {
		if _, err := New(wrong); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}

// A sink that a text has chosen goes on with the credentials that take the place of those
// that the hub does not accept any more.
func TestRotation(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	path := filepath.Join(t.TempDir(), "kubeconfig")
	rotated := func() {
		t.Helper()
		if err := testenv.WriteKubeconfig(path, c); err != nil {
			t.Fatal(err)
		}
	}
	rotated()
	spec, err := sinks.Kinds{Kind()}.Parse("hub:default?install=true&object=full&context=hub&timeout=10s&kubeconfig=" + path)
	if err != nil {
		t.Fatal(err)
	}
	to, err := spec.Open(t.Context(), sinks.Env{Log: logr.Discard(), Registerer: prometheus.NewRegistry(), UserAgent: "fairlead-test"})
	if err != nil {
		t.Fatal(err)
	}
	s := to.(*Sink)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	write(t, s, state("a", 1))
	if err := c.RotateCA(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := []*pipeline.Change{state("a", 2)}
	if err := s.Write(t.Context(), next); err == nil || pipeline.IsPermanent(err) {
		t.Errorf("with the old credentials: %v", err)
	}
	rotated()
	testserver.Poll(t, "it is written", func() bool { return s.Write(t.Context(), next) == nil })
	if got := held(t, s); len(got) != 1 || got[0].ResourceVersion != "2" {
		t.Errorf("held: %+v", got)
	}
}
