package app

import (
	"testing"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// inventory is a source of members that nobody has heard of: one member.
type inventory struct{ member string }

func (i inventory) String() string            { return "inventory:" + i.member }
func (i inventory) NewScanner() fleet.Scanner { return i }
func (i inventory) Scan() []fleet.Description {
	d := fleet.Description{Source: "the inventory", Name: i.member}
	d.Member, d.Err = fleet.NewMember(i.member, d.Source, []byte(`{"kind":"Config","apiVersion":"v1","current-context":"x",
		"contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],
		"clusters":[{"name":"x","cluster":{"server":"https://127.0.0.1:1"}}],
		"users":[{"name":"x","user":{"token":"t"}}]}`))
	return []fleet.Description{d}
}

// A kind of sources of members takes a line in the table, and can be named by
// --clusters beside the others.
func TestAKindOfMembersTakesOneLine(t *testing.T) {
	o := Options{members: []fleet.Kind{{
		Form:  fleet.Form{Scheme: "inventory", Usage: "inventory:NAME", Summary: "for a test"},
		Parse: func(v *fleet.Value, _ fleet.ParseOptions) (fleet.Provider, error) { return inventory{v.Rest}, nil },
	}}}
	if err := o.tables()["clusters"].Validate(); err != nil {
		t.Error(err)
	}
	r := startWith(t, o, newRecorder(), "--watch=pods", "--sink=stdout:", "--clusters=inventory:edge", "--clusters=dir:"+t.TempDir())
	r.await("the member is followed", func() bool { return r.cluster("edge").Source == "the inventory, context x" })
	r.end()
	if _, err := parseFlags(t, "--watch=pods", "--clusters=inventory:edge"); err == nil {
		t.Error("the program knows the kind without the line")
	}
}
