package spec

import "testing"

func TestANameHasOneColonBeforeWhatIsSaidOfIt(t *testing.T) {
	for name, want := range map[string]string{"stdout:": "stdout:", "hook": "hook:", "file:/out": "file:/out:", "": ":"} {
		if got := Before(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
