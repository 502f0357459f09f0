package wire

import (
	"io"
	"strings"
	"testing"
)

// atRead is a reader that looks at each call.
type atRead struct {
	io.Reader
	look func()
}

func (r atRead) Read(p []byte) (int, error) {
	r.look()
	return r.Reader.Read(p)
}

// While the next item of a list is waited for, nothing is reserved for the last one.
func TestListHoldsNothingBetweenItems(t *testing.T) {
	m := &meter{has: MaxFrame}
	large := `"` + strings.Repeat("x", 100<<10) + `"`
	between := false
	tail := atRead{strings.NewReader("," + large + "]}"), func() {
		if between && m.reserved != 0 {
			t.Errorf("%d bytes are reserved", m.reserved)
		}
		between = false
	}}
	list := NewListReader(io.MultiReader(strings.NewReader(`{"items":[`+large), tail), &Spill{Room: m})
	for i := range 2 {
		item, _, err := list.Next()
		if err != nil || len(item) != len(large) {
			t.Fatalf("item %d: %d bytes, %v", i, len(item), err)
		}
		if m.reserved == 0 {
			t.Errorf("nothing is reserved for item %d", i)
		}
		between = true
	}
}
