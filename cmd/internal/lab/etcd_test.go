package lab

import (
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

func TestEtcdIsBackWithItsData(t *testing.T) {
	testenv.Require(t)
	e, err := StartEtcd(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Kill(); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	answers := func() bool {
		_, err := Get(t.Context(), client, e.URL+"/health")
		return err == nil
	}
	for name, lose := range map[string]func() error{"paused": e.Pause, "killed": e.Kill} {
		if !answers() {
			t.Fatalf("before it is %s, it does not answer", name)
		}
		if err := lose(); err != nil || answers() {
			t.Errorf("%s: %v, or it answers", name, err)
		}
		if err := e.Resume(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if !answers() {
		t.Error("in the end, it does not answer")
	}
}
