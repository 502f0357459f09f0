package app

import (
	"slices"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

func TestObserversComeAndGo(t *testing.T) {
	var o observers
	var told []string
	tell := o.of("file")
	tell(stage.Delivery{})
	first := o.add(func(route string, _ stage.Delivery) { told = append(told, "1 "+route) })
	second := o.add(func(route string, _ stage.Delivery) { told = append(told, "2 "+route) })
	tell(stage.Delivery{})
	first()
	tell(stage.Delivery{})
	second()
	tell(stage.Delivery{})
	if want := []string{"1 file", "2 file", "2 file"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
