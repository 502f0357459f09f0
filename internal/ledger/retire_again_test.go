package ledger

import "testing"

// Who ranges over what is gone for a second time tells of the same versions, so that one
// deletion has one id.
func TestRetireTwiceTellsTheSame(t *testing.T) {
	c := snapshotOf(t)
	was := map[Name]Version{}
	for d := range c.Retire() {
		was[d.Name] = d.Version
	}
	again := 0
	for d := range c.Retire() {
		if again++; d.Version != was[d.Name] {
			t.Errorf("%v was told with %v, and with %v again", d.Name, was[d.Name], d.Version)
		}
	}
	if again != len(was) {
		t.Errorf("%d are told again of %d", again, len(was))
	}
}
