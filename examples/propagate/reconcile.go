package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/propagation"
)

const (
	prefix             = "propagate.fairlead.dev/"
	labelRole          = prefix + "role"     // in the hub: "source", set by users, or "status"
	annotationClusters = prefix + "clusters" // of a source: selects members by their labels
	annotationAbandon  = prefix + "abandon"  // of a source: members that will not come back
	labelCluster       = prefix + "cluster"  // of every member: its name
	labelHub           = prefix + "hub"      // of a copy: UID of the hub
	finalizer          = prefix + "copies"   // of a source
	hubName            = "hub"               // in the fleet
	slowly             = time.Minute         // to look again at what no event may tell of

	pending, applied, conflict, failed, removing, removed = "Pending", "Applied", "Conflict", "Failed", "Removing", "Removed"
)

// status is the content of a status object.
type status struct {
	Source   string            `json:"source"` // UID/resourceVersion that this is about
	Problem  string            `json:"problem,omitempty"`
	Clusters map[string]*entry `json:"clusters"` // that have a copy, or may have one
}

type entry struct {
	propagation.ClusterStatus
	Applied string `json:"applied,omitempty"` // the newest version that was seen there
}

// report is what came of a request to a member, with what it was about.
type report struct {
	clusterUID, source, state, message string
	wanted                             bool
}

// reconciler is asked for a source in a member, to make the copy there what it
// should be; and for a source in the hub, to plan that and gather what came of it.
type reconciler struct {
	hub     client.Client // reads from the cache
	live    client.Reader // asks the API server
	uid     string        // of the hub
	term    func() uint64 // in which this process leads
	fleet   *cache.Fleet
	queue   *queue.Queue[queue.Request, queue.Request] // set when the controller starts
	reports sync.Map                                   // the newest on each request to a member
}

// Reconcile does what the request asks for.
func (r *reconciler) Reconcile(ctx context.Context, req queue.Request) (reconcile.Result, error) {
	if req.Cluster == hubName {
		return r.gather(ctx, req.NamespacedName)
	}
	return r.propagate(ctx, req)
}

// changed says what to look at when a ConfigMap of a cluster has changed.
func changed(_ context.Context, name string, cm *corev1.ConfigMap) []queue.Request {
	key := client.ObjectKeyFromObject(cm)
	if cm.Labels[labelRole] == "status" {
		key.Name = strings.TrimSuffix(key.Name, statusName(""))
	}
	return []queue.Request{{Cluster: name, NamespacedName: key}}
}

// memberChanged says what to look at when a member has another state or labels.
func (r *reconciler) memberChanged(ctx context.Context, _ cache.Status) (asked []queue.Request) {
	var all corev1.ConfigMapList
	_ = r.hub.List(ctx, &all, client.HasLabels{labelRole}) // from the cache: fails only when we stop
	for i := range all.Items {
		asked = append(asked, changed(ctx, hubName, &all.Items[i])...)
	}
	return asked
}

// gather keeps a source's finalizer and status object: it notes who may have a
// copy before that is made, and lets the source go when nobody has one.
func (r *reconciler) gather(ctx context.Context, key client.ObjectKey) (reconcile.Result, error) {
	src, obj, err := r.look(ctx, key)
	held := controllerutil.ContainsFinalizer(src, finalizer)
	if err != nil || obj.UID == "" && !held && !wanted(src) {
		return reconcile.Result{}, err
	}
	next, ask := r.plan(key, src, read(obj), obj.UID == "" && !wanted(src))
	text, _ := json.Marshal(next) // of strings and times
	data := map[string]string{"status": string(text)}
	switch done := len(next.Clusters) == 0 && !wanted(src); {
	case wanted(src) && controllerutil.AddFinalizer(src, finalizer), done && controllerutil.RemoveFinalizer(src, finalizer):
		err = r.hub.Update(ctx, src)
	case done && obj.UID != "":
		err = r.hub.Delete(ctx, obj, client.Preconditions{ResourceVersion: &obj.ResourceVersion})
	case obj.UID == "": // without an owner: it has to outlive a foreground deletion
		meta := metav1.ObjectMeta{Namespace: key.Namespace, Name: statusName(key.Name), Labels: map[string]string{labelRole: "status"}}
		err = r.hub.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: data})
	case !maps.Equal(obj.Data, data):
		obj.Data = data
		err = r.hub.Update(ctx, obj) // refused unless obj is the newest, from which next was made
	default: // all that is going to be done is noted
		ask = slices.DeleteFunc(ask, func(name string) bool { return r.fleet.State(name).State == cache.Gone })
		for _, name := range ask {
			r.queue.Add(queue.Request{Cluster: name, NamespacedName: key})
		}
	}
	return reconcile.Result{}, err
}

// plan works out the next status, and whom to ask for their part in it.
func (r *reconciler) plan(key client.ObjectKey, src *corev1.ConfigMap, old status, lost bool) (next status, ask []string) {
	next = status{Source: versionOf(src), Clusters: map[string]*entry{}}
	if _, err := labels.Parse(src.Annotations[annotationClusters]); err != nil {
		next.Problem = err.Error()
	}
	members := map[string]*entry{}
	for _, name := range r.fleet.Clusters() {
		members[name] = nil
	}
	maps.Copy(members, old.Clusters)
	for name, e := range members {
		s, want, req := r.fleet.State(name), r.wants(src, name, e), queue.Request{Cluster: name, NamespacedName: key}
		// Without a status object nobody knows who has copies of what is to go.
		if abandoned := src.Annotations[annotationAbandon]; name == hubName ||
			!want && (e == nil && !lost || slices.Contains(strings.Split(abandoned, ","), name)) {
			r.reports.Delete(req)
			continue
		}
		// Another cluster of that name has nothing yet.
		if e == nil || s.ClusterUID != "" && s.ClusterUID != e.ClusterUID {
			e = &entry{ClusterStatus: propagation.ClusterStatus{Cluster: name, ClusterUID: s.ClusterUID}}
		}
		found, _ := r.reports.Load(req)
		rep, _ := found.(report)
		switch current := rep.clusterUID == e.ClusterUID && rep.source == next.Source && rep.wanted == want; {
		case current && rep.state == removed:
			r.reports.Delete(req)
			continue
		case current:
			e.State, e.Message = rep.state, rep.message
			e.About(propagation.VersionOf(src, r.term()))
			if rep.state == applied {
				e.Applied = rep.source
			}
		case s.State == cache.Gone && wanted(src): // as it was, until it is back
		case !want:
			e.State, e.Message, ask = removing, "", append(ask, name)
		case e.State != applied || e.Applied != next.Source:
			e.State, e.Message, ask = pending, "", append(ask, name)
		}
		if s.State == cache.Live {
			e.UnreachableSince = nil
		} else if e.UnreachableSince == nil && (s.State == cache.BackingOff || s.State == cache.Gone) {
			e.UnreachableSince = new(metav1.Now())
		}
		next.Clusters[name] = e
	}
	return next, ask
}

// wanted tells whether a source is to have copies.
func wanted(src *corev1.ConfigMap) bool {
	return src.DeletionTimestamp.IsZero() && src.Labels[labelRole] == "source"
}

// wants tells whether a member is to have a copy. With a selector that is wrong
// those keep theirs who have one.
func (r *reconciler) wants(src *corev1.ConfigMap, name string, noted *entry) bool {
	text, ok := src.Annotations[annotationClusters]
	s := r.fleet.State(name)
	if !wanted(src) || !ok || name == hubName || s.State == cache.Gone {
		return false
	}
	selector, err := labels.Parse(text)
	return err != nil && noted != nil || err == nil && selector.Matches(labels.Merge(s.Labels, labels.Set{labelCluster: name}))
}

// propagate makes one member's copy what it should be.
func (r *reconciler) propagate(ctx context.Context, req queue.Request) (reconcile.Result, error) {
	member, gone := r.fleet.Cluster(req.Cluster)
	src, obj, err := r.look(ctx, req.NamespacedName)
	if err != nil || gone != nil {
		return reconcile.Result{}, err
	}
	noted := read(obj).Clusters[req.Cluster]
	rep := report{clusterUID: r.fleet.State(req.Cluster).ClusterUID, source: versionOf(src), wanted: r.wants(src, req.Cluster, noted)}
	switch {
	case !rep.wanted:
		rep.state, rep.message, err = r.remove(ctx, member, req, noted)
	case noted == nil || noted.ClusterUID != rep.clusterUID:
		return reconcile.Result{}, nil // gather notes it first, so that no crash makes us forget who has a copy
	default:
		rep.state, rep.message, err = r.apply(ctx, member, req.NamespacedName, src)
	}
	switch {
	case errors.Is(err, cache.ErrClusterUnavailable) || r.fleet.State(req.Cluster).ClusterUID != rep.clusterUID:
		return reconcile.Result{RequeueAfter: slowly}, nil // no failure: memberChanged asks when it is back
	case apierrors.IsConflict(err) || rep.state == "" && err == nil:
		return reconcile.Result{}, err // we were behind
	case err != nil:
		rep.state, rep.message = failed, err.Error()
	}
	if noted != nil {
		r.reports.Store(req, rep)
		r.queue.Add(queue.Request{Cluster: hubName, NamespacedName: req.NamespacedName})
	}
	if rep.state == conflict || rep.state == removing {
		return reconcile.Result{RequeueAfter: slowly}, nil // may end without an event
	}
	return reconcile.Result{}, err
}

// apply brings a copy up to date, unless somebody else has a claim to it.
func (r *reconciler) apply(ctx context.Context, member cluster.Cluster, key client.ObjectKey, src *corev1.ConfigMap) (state, message string, err error) {
	have, err := get(ctx, member.GetClient(), key)
	if err != nil {
		return "", "", err
	}
	o := r.options(src)
	if of, _ := propagation.Read(have); of.UID == o.Version.UID && of.ResourceVersion == o.Version.ResourceVersion && have.Labels[labelHub] == r.uid &&
		equality.Semantic.DeepEqual(have.Data, src.Data) && equality.Semantic.DeepEqual(have.BinaryData, src.BinaryData) {
		return applied, "", nil
	}
	want := corev1ac.ConfigMap(key.Name, key.Namespace).WithData(src.Data).WithBinaryData(src.BinaryData).WithLabels(map[string]string{labelHub: r.uid})
	err = propagation.ApplyIfNewer(ctx, member, want, &corev1.ConfigMap{}, o)
	// Told, and not fought.
	if errors.Is(err, propagation.ErrForeign) || errors.Is(err, propagation.ErrOlder) || apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
		return conflict, err.Error(), nil
	}
	return applied, "", err
}

// options say whose copies ours are, and of what.
func (r *reconciler) options(src *corev1.ConfigMap) propagation.Options {
	return propagation.Options{Owner: prefix + r.uid, Version: propagation.VersionOf(src, r.term())}
}

// remove deletes a copy. It asks the API servers, since caches may be behind.
func (r *reconciler) remove(ctx context.Context, member cluster.Cluster, req queue.Request, noted *entry) (state, message string, err error) {
	src, err := get(ctx, r.live, req.NamespacedName)
	if err != nil || r.wants(src, req.Cluster, noted) {
		return "", "", err
	}
	have := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: req.Namespace, Name: req.Name}}
	gone, err := propagation.DeleteIfNewer(ctx, member, have, r.options(src))
	switch {
	case errors.Is(err, propagation.ErrOlder):
		return conflict, err.Error(), nil // told, and not fought
	case err == nil && !gone:
		return removing, "", nil // it has finalizers of others
	}
	return removed, "", err
}

// look returns a source and its status object, and fails if we are behind, as a
// leader that was replaced: then nothing may be written from what we see.
func (r *reconciler) look(ctx context.Context, key client.ObjectKey) (src, obj *corev1.ConfigMap, err error) {
	src, err = get(ctx, r.hub, key)
	obj, err2 := get(ctx, r.hub, client.ObjectKey{Namespace: key.Namespace, Name: statusName(key.Name)})
	if err = errors.Join(err, err2); err == nil && obj.UID != "" && obj.Labels[labelRole] != "status" {
		err = fmt.Errorf("ConfigMap %s is in the way of a status object", obj.Name)
	}
	if seen := read(obj).Source; err == nil && seen != "" && seen != versionOf(src) {
		var now *corev1.ConfigMap // which version is newer is for the API server to say
		if now, err = get(ctx, r.live, key); err == nil && versionOf(now) != versionOf(src) {
			err = fmt.Errorf("version %s is out of date", versionOf(src))
		}
	}
	return src, obj, err
}

// get returns a ConfigMap, without a UID if there is none.
func get(ctx context.Context, from client.Reader, key client.ObjectKey) (*corev1.ConfigMap, error) {
	cm := &corev1.ConfigMap{}
	return cm, client.IgnoreNotFound(from.Get(ctx, key, cm))
}

// read returns what a status object says. What is damaged is made anew.
func read(obj *corev1.ConfigMap) (st status) {
	_ = json.Unmarshal([]byte(obj.Data["status"]), &st)
	return st
}

func statusName(source string) string       { return source + ".propagation" }
func versionOf(cm *corev1.ConfigMap) string { return string(cm.UID) + "/" + cm.ResourceVersion }
