package fleet

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// descriptions remembers what was found in each object of a hubInformer, so that an
// object is parsed once per version, and one that has become useless keeps its
// last good description.
type descriptions struct {
	apiVersion, kind string

	known map[types.NamespacedName]*described
}

// described is what was found in one object.
type described struct {
	uid     types.UID
	version string
	inputs  string // what else the description depends on
	limits  Limits // the last good ones
	found   []Description
}

func newDescriptions(apiVersion, kind string) *descriptions {
	return &descriptions{apiVersion: apiVersion, kind: kind, known: map[types.NamespacedName]*described{}}
}

// update returns what the objects say, in their order. read is called for those
// that are new or have changed; it is given a finding that has the name, if an
// annotation says it, and completes it.
func (d *descriptions) update(objects []metav1.Object, read func(metav1.Object, Description) (Description, error)) []Description {
	return d.updateWith("", objects, read)
}

// updateWith is update where read depends on something else too, which inputs
// identifies.
func (d *descriptions) updateWith(inputs string, objects []metav1.Object, read func(metav1.Object, Description) (Description, error)) []Description {
	var (
		findings []Description
		next     = make(map[types.NamespacedName]*described, len(objects))
	)
	for _, o := range objects {
		if _, ignored := o.GetAnnotations()[annotationIgnored]; ignored {
			continue
		}
		key := types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
		now := d.known[key]
		if now == nil || now.uid != o.GetUID() || now.version != o.GetResourceVersion() || now.inputs != inputs {
			now = d.describe(o, now, read)
			now.inputs = inputs
		}
		next[key] = now
		findings = append(findings, now.found...)
	}
	d.known = next
	return findings
}

// describe makes findings of an object. Of the one that was deleted and made
// again nothing is kept.
func (d *descriptions) describe(o metav1.Object, before *described, read func(metav1.Object, Description) (Description, error)) *described {
	now := &described{uid: o.GetUID(), version: o.GetResourceVersion()}
	f := Description{
		Source: d.kind + " " + o.GetNamespace() + "/" + o.GetName(),
		Name:   o.GetAnnotations()[annotationName],
		Object: &corev1.ObjectReference{
			APIVersion: d.apiVersion, Kind: d.kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(),
		},
	}
	f, f.Err = read(o, f)
	f.Err = bounded(f.Err)
	if checkName(f.Name) != nil {
		f.Name = clip(f.Name)
	}
	if len(f.Context) > maxNameBytes {
		f.Context = clip(f.Context)
	}
	if before != nil && before.uid != now.uid {
		before = nil
	}
	if f.Err != nil && before != nil {
		if i := slices.IndexFunc(before.found, func(b Description) bool { return b.Member != nil && b.Name == f.Name }); i >= 0 {
			// A copy, because its limits and labels may change.
			f.Member = new(*before.found[i].Member)
		}
	}

	var limitsErr error
	if now.limits, limitsErr = parseLimits(o.GetAnnotations()); limitsErr != nil {
		now.limits = Limits{}
		if before != nil {
			now.limits = before.limits
		}
	}
	if f.Member != nil {
		f.Member.Limits, f.Member.Labels = now.limits, o.GetLabels()
	}
	now.found = []Description{f}
	if limitsErr != nil {
		wrong := f
		wrong.Member, wrong.Err, wrong.Event = nil, limitsErr, eventLimits
		now.found = append(now.found, wrong)
	}
	return now
}

// maxReason is how much of what is wrong with one object is told. An object may
// have a megabyte of names that nobody may use.
const maxReason = 2048

// bounded returns an error whose message is on one line, and no longer than
// maxReason: it may quote names of an object, and be made of several.
func bounded(err error) error {
	if err == nil {
		return nil
	}
	text := redact.Cut(strings.ReplaceAll(err.Error(), "\n", "; "), maxReason)
	if text == err.Error() {
		return err
	}
	return told{text, err}
}

// told is an error with another message.
type told struct {
	text string
	error
}

func (t told) Error() string { return t.text }

func (t told) Unwrap() error { return t.error }
