package loopback

import "testing"

// Keep reserves a port until the test ends, and returns its number.
func Keep(t testing.TB) int {
	t.Helper()
	port, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	return port.Number
}
