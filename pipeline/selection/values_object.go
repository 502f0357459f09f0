package selection

import (
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// object is a JSON object as a CEL map. It is read up to the member that is asked for,
// and what has been read is remembered. One evaluation uses it.
type object struct {
	json     jsonwalk.Value
	role     role
	metadata *object // of a root: what stands for its member metadata

	length  int // 0: not looked for yet
	looked  int // how often a member was looked up, if none is remembered yet
	walk    jsonwalk.Members
	begun   bool
	ended   bool
	members []member       // those that have been walked over
	index   map[string]int // all of them, once there are many
	full    traits.Mapper  // all members as values, once they are compared

	comparable bool // an object that it is in may be compared
}

// role says which members an object has.
type role uint8

const (
	anyObject      role = iota // all
	rootObject                 // those that have not been put there before
	rootOfMetadata             // only metadata, of those that have not been put there before
	metadataObject             // all but managedFields
)

func (r role) hides(key []byte) bool {
	switch r {
	case rootObject:
		return jsontext.Is(key, "apiVersion") || jsontext.Is(key, "kind")
	case rootOfMetadata:
		return !jsontext.Is(key, "metadata")
	case metadataObject:
		return jsontext.Is(key, "managedFields")
	}
	return false
}

type member struct {
	key   []byte // raw
	value jsonwalk.Value
	made  ref.Val // of value, if it is an object or a list and was asked for
}

// fewLookups is how often an object is read from its start. Most are asked for one
// member.
const fewLookups = 4

// manyMembers is from how many members on an object is indexed. Fewer are looked
// through faster.
const manyMembers = 32

var _ traits.Mapper = (*object)(nil)

// get returns the member with a key; nil if there is none.
func (o *object) get(key string) *member {
	for i := range o.members {
		if jsontext.Is(o.members[i].key, key) {
			return &o.members[i]
		}
	}
	for o.next() {
		if m := &o.members[len(o.members)-1]; jsontext.Is(m.key, key) {
			return m
		}
	}
	return nil
}

// valueOf returns what an expression sees of a member.
func (o *object) valueOf(m *member) ref.Val {
	if o.metadata != nil && m.value.Kind() == jsonwalk.Object && jsontext.Is(m.key, "metadata") {
		return o.metadataOf(m)
	}
	if m.made != nil {
		return m.made
	}
	v := valueOf(m.value, o.comparable)
	if kind := m.value.Kind(); kind == jsonwalk.Object || kind == jsonwalk.List {
		m.made = v // so that what it remembers is remembered
	}
	return v
}

func (o *object) metadataOf(m *member) *object {
	o.metadata.json = m.value
	return o.metadata
}

// next walks over the next member that is not hidden.
func (o *object) next() bool {
	if !o.begun {
		o.begun, o.walk = true, o.json.Members()
	}
	for !o.ended {
		if o.ended = !o.walk.Next(); o.ended {
			break
		}
		if o.role != anyObject && o.role.hides(o.walk.Key) {
			continue
		}
		o.members = append(o.members, member{key: o.walk.Key, value: o.walk.Value})
		return true
	}
	return false
}

// read walks over all members. It returns an error if they are too many.
func (o *object) read() ref.Val {
	for o.next() {
		if len(o.members) > maxElements {
			return errLarge()
		}
	}
	return nil
}

// all returns the members as values, or an error if they are too many.
func (o *object) all() (traits.Mapper, ref.Val) {
	if o.full != nil {
		return o.full, nil
	}
	if o.comparable = o.comparable || mayCompare(o.json); !o.comparable {
		return nil, errLarge()
	}
	if err := o.read(); err != nil {
		return nil, err
	}
	values := make(map[ref.Val]ref.Val, len(o.members))
	for i := range o.members {
		values[types.String(jsontext.Unquote(o.members[i].key))] = o.valueOf(&o.members[i])
	}
	o.full = types.NewRefValMap(adapter, values)
	return o.full, nil
}

// lookUp is get for an object of many members.
func (o *object) lookUp(key string) (*member, ref.Val) {
	if o.index == nil {
		if err := o.read(); err != nil {
			return nil, err
		}
		o.index = make(map[string]int, len(o.members))
		for i := range o.members {
			o.index[jsontext.Unquote(o.members[i].key)] = i
		}
	}
	if i, found := o.index[key]; found {
		return &o.members[i], nil
	}
	return nil, nil
}

// bytes returns how long the object is.
func (o *object) bytes() int {
	if o.length == 0 {
		o.length = len(o.json.Bytes())
	}
	return o.length
}

// Find implements traits.Mapper.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	if len(o.members) >= manyMembers {
		m, err := o.lookUp(string(name))
		if m == nil {
			return err, false
		}
		return o.valueOf(m), true
	}
	if o.role == anyObject && !o.begun && o.metadata == nil {
		if o.looked++; o.looked <= fewLookups { // it is not worth to remember anything
			v := o.json.Get(string(name))
			if len(v) == 0 {
				return nil, false
			}
			return valueOf(v, o.comparable), true
		}
	}
	if m := o.get(string(name)); m != nil {
		return o.valueOf(m), true
	}
	return nil, false
}

// Get implements traits.Indexer.
func (o *object) Get(key ref.Val) ref.Val {
	v, found := o.Find(key)
	if !found && v == nil {
		return types.NewErr("no such key: %v", key)
	}
	return v
}

// Contains implements traits.Container.
func (o *object) Contains(key ref.Val) ref.Val {
	v, found := o.Find(key)
	if types.IsError(v) {
		return v
	}
	return types.Bool(found)
}

// Size implements traits.Sizer.
func (o *object) Size() ref.Val {
	if err := o.read(); err != nil {
		return err
	}
	return types.Int(len(o.members))
}

// Iterator implements traits.Iterable.
func (o *object) Iterator() traits.Iterator { return &keys{object: o} }

// Equal implements ref.Val.
func (o *object) Equal(other ref.Val) ref.Val {
	full, err := o.all()
	if err != nil {
		return err
	}
	return full.Equal(other)
}

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	full, err := o.all()
	if err != nil {
		return nil, err.(*types.Err)
	}
	return full.ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return o
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from 'map' to '%s'", t)
}

// Type implements ref.Val.
func (o *object) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (o *object) Value() any {
	full, err := o.all()
	if err != nil {
		return err.Value()
	}
	return full.Value()
}

// keys walks over the keys of an object.
type keys struct {
	iterator
	object *object
	i      int
}

// HasNext implements traits.Iterator.
func (k *keys) HasNext() ref.Val {
	return types.Bool(k.i < len(k.object.members) || k.object.next())
}

// Next implements traits.Iterator.
func (k *keys) Next() ref.Val {
	key := k.object.members[k.i].key
	k.i++
	return types.String(jsontext.Unquote(key))
}
