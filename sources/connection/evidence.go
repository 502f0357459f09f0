package connection

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

const (
	homePath    = "/api/v1/namespaces/default"
	servicePath = "/api/v1/namespaces/default/services/kubernetes"
	acceptList  = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
	// sampleSize bounds the objects that are asked for before a cluster counts as
	// another one.
	sampleSize = 24
)

var errUnidentified = errors.New("it cannot be told whether this is the cluster that is known under the name: address or CA are others, " +
	"and neither the UID of the namespace kube-system or default, nor any object that was delivered before, can be read; " +
	"allow get on namespace kube-system (with fairlead ledger forget everything in it would be delivered anew, and nothing be told as deleted)")

// judge tells who answers. What the connection knows already needs no requests.
func (a *attempt) judge(ctx context.Context, c *Connection, seen sighting) verdict {
	var known []ledger.Identity
	if a.known.UID != "" {
		known = append(known, a.known)
		if v := judge(seen, known, func(ledger.Identity) presence { return unanswered }); !v.unsure && len(v.others) == 0 {
			v.others = a.others
			return v
		}
	}
	if c.known != nil {
		for _, k := range c.known.Identities(c.cluster) {
			if k.UID != a.known.UID {
				known = append(known, k)
			} else {
				known[0] = merge(a.known, k)
			}
		}
	}
	e := evidence{clients: a.clients, known: c.known, cluster: c.cluster}
	v := judge(seen, known, func(id ledger.Identity) presence { return e.ask(ctx, id) })
	if v.doubt {
		c.known.Doubt(c.cluster, v.identity.UID)
	}
	if v.unsure && c.known == nil {
		// Nobody has anything to lose.
		v = verdict{identity: ledger.Identity{UID: seen.uid, Digests: []string{seen.digest}}, others: []string{a.known.UID}, replaces: true}
	}
	return v
}

// evidence asks the server for what tells one cluster from another where the UID
// of kube-system may not be read.
type evidence struct {
	clients  *clients
	known    Known
	cluster  string
	versions map[string][]string // of a group, the preferred one first; none: it cannot be told
}

// readUIDOf returns the UID of an object, or "" where it cannot be read.
func readUIDOf(ctx context.Context, c *clients, path, name string) string {
	body, err := read(ctx, c, path, acceptIdentity)
	if err != nil {
		return ""
	}
	var o metav1.PartialObjectMetadata
	if json.Unmarshal(body, &o) != nil || o.Name != name || !plausible(string(o.UID)) {
		return ""
	}
	return string(o.UID)
}

// ask finds out whether one of the objects that are known of a cluster is there,
// with its UID. Objects come and go, so that one that is there tells everything
// and one that is not tells little.
func (e *evidence) ask(ctx context.Context, id ledger.Identity) presence {
	if e.known == nil {
		return unanswered
	}
	sample := e.known.Sample(e.cluster, id.UID, sampleSize)
	if len(sample) == 0 {
		return nothingKnown
	}
	a := unanswered
	for _, o := range sample {
		uid, ok := e.uidOf(ctx, o)
		switch {
		case ctx.Err() != nil:
			return unanswered
		case ok && uid == o.UID:
			return served
		case ok:
			a = notServed
		}
	}
	return a
}

// uidOf returns the UID that an object's name has now, "" if there is none. It is
// not ok if the server did not tell. The object is listed rather than got: who
// follows a resource may list it.
func (e *evidence) uidOf(ctx context.Context, o ledger.Known) (uid string, ok bool) {
	resource, group, _ := strings.Cut(o.Resource, ".")
	for _, version := range e.versionsOf(ctx, group) {
		path := []string{"/apis", group, version}
		if group == "" {
			path = []string{"/api", version}
		}
		// Both are checked to be one segment of the path each.
		body, err := e.clients.probes.Get().AbsPath(path...).NamespaceIfScoped(o.Namespace, o.Namespace != "").Resource(resource).
			Param("fieldSelector", fields.OneTermEqualSelector("metadata.name", o.Name).String()).
			SetHeader("Accept", acceptList).MaxRetries(0).Do(ctx).Raw()
		if apierrors.IsNotFound(err) {
			continue // that version has no such resource
		}
		var list struct {
			Kind  string
			Items []metav1.PartialObjectMetadata
		}
		if err != nil || json.Unmarshal(body, &list) != nil || !strings.HasSuffix(list.Kind, "List") {
			return "", false
		}
		for _, item := range list.Items {
			if item.Name == o.Name && item.Namespace == o.Namespace {
				return string(item.UID), true
			}
		}
		return "", true
	}
	return "", false
}

// versionsOf returns the versions of a group.
func (e *evidence) versionsOf(ctx context.Context, group string) []string {
	if group == "" {
		return []string{"v1"}
	}
	if strings.Contains(group, "/") {
		return nil // it would be another path
	}
	versions, ok := e.versions[group]
	if ok {
		return versions
	}
	var g metav1.APIGroup
	if body, err := read(ctx, e.clients, "/apis/"+group, runtime.ContentTypeJSON); err == nil && json.Unmarshal(body, &g) == nil {
		const most = 8
		for _, v := range append([]metav1.GroupVersionForDiscovery{g.PreferredVersion}, g.Versions...) {
			if plausibleUID.MatchString(v.Version) && !slices.Contains(versions, v.Version) && len(versions) < most {
				versions = append(versions, v.Version)
			}
		}
	}
	if e.versions == nil {
		e.versions = map[string][]string{}
	}
	e.versions[group] = versions
	return versions
}
