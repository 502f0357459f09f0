package selection

import (
	"errors"
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// list is a JSON list as a CEL list. A walk over it reads on element by element; for
// anything else all of its elements are made into values. One evaluation uses it.
type list struct {
	json   jsonwalk.Value
	length int           // in bytes; 0: not looked for yet
	size   int           // -1: not counted yet
	full   traits.Lister // once it is needed

	comparable bool // an object or a list that it is in may be compared
}

var _ traits.Lister = (*list)(nil)

// all returns the elements as values, or an error if they are too many.
func (l *list) all() (traits.Lister, ref.Val) {
	if l.full != nil {
		return l.full, nil
	}
	var values []ref.Val
	for e := l.json.Elements(); e.Next(); {
		if len(values) == maxElements {
			return nil, errLarge()
		}
		values = append(values, valueOf(e.Value, l.comparable))
	}
	l.full = types.NewRefValList(adapter, values)
	return l.full, nil
}

// bytes returns how long the list is.
func (l *list) bytes() int {
	if l.length == 0 {
		l.length = len(l.json.Bytes())
	}
	return l.length
}

// compared is all, of a list whose elements are compared.
func (l *list) compared() (traits.Lister, ref.Val) {
	if l.comparable = l.comparable || mayCompare(l.json); !l.comparable {
		return nil, errLarge()
	}
	return l.all()
}

// Size implements traits.Sizer.
func (l *list) Size() ref.Val {
	if l.size < 0 {
		l.size = 0
		for e := l.json.Elements(); e.Next(); {
			l.size++
		}
	}
	return types.Int(l.size)
}

// Iterator implements traits.Iterable.
func (l *list) Iterator() traits.Iterator {
	return &elements{walk: l.json.Elements(), comparable: l.comparable}
}

// Get implements traits.Indexer.
func (l *list) Get(index ref.Val) ref.Val {
	full, err := l.all()
	if err != nil {
		return err
	}
	return full.Get(index)
}

// Contains implements traits.Container.
func (l *list) Contains(v ref.Val) ref.Val {
	full, err := l.compared()
	if err != nil {
		return err
	}
	return full.Contains(v)
}

// Add implements traits.Adder.
func (l *list) Add(other ref.Val) ref.Val {
	full, err := l.all()
	if err != nil {
		return err
	}
	return full.Add(other)
}

// Equal implements ref.Val.
func (l *list) Equal(other ref.Val) ref.Val {
	full, err := l.compared()
	if err != nil {
		return err
	}
	return full.Equal(other)
}

// ConvertToNative implements ref.Val.
func (l *list) ConvertToNative(t reflect.Type) (any, error) {
	full, err := l.compared()
	if err != nil {
		return nil, err.(*types.Err)
	}
	return full.ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (l *list) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.ListType:
		return l
	case types.TypeType:
		return types.ListType
	}
	return types.NewErr("type conversion error from 'list' to '%s'", t)
}

// Type implements ref.Val.
func (l *list) Type() ref.Type { return types.ListType }

// Value implements ref.Val.
func (l *list) Value() any {
	full, err := l.compared()
	if err != nil {
		return err.Value()
	}
	return full.Value()
}

// elements walks over a list.
type elements struct {
	iterator
	walk       jsonwalk.Elements
	comparable bool
	ready      bool // the walk has stepped to an element that Next has not returned
}

// HasNext implements traits.Iterator.
func (e *elements) HasNext() ref.Val {
	e.ready = e.ready || e.walk.Next()
	return types.Bool(e.ready)
}

// Next implements traits.Iterator.
func (e *elements) Next() ref.Val {
	e.ready = false
	return valueOf(e.walk.Value, e.comparable)
}

// iterator is what CEL asks of iterators that nobody asks of them.
type iterator struct{}

func (iterator) ConvertToNative(reflect.Type) (any, error) {
	return nil, errors.New("an iterator is no value")
}
func (iterator) ConvertToType(ref.Type) ref.Val { return types.NewErr("an iterator is no value") }
func (iterator) Equal(ref.Val) ref.Val          { return types.NewErr("an iterator is no value") }
func (iterator) Type() ref.Type                 { return types.IteratorType }
func (iterator) Value() any                     { return nil }
