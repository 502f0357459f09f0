package ratelimit

import "sync"

// Buckets holds the bucket of every cluster. Make one with New.
type Buckets struct {
	mu        sync.Mutex
	def       Limit
	overrides map[string]Limit
	buckets   map[string]*Bucket
}

// New returns buckets that all follow def until Set says otherwise for one.
// It panics if def is not valid.
func New(def Limit) *Buckets {
	def.mustBeValid()
	return &Buckets{
		def:       def,
		overrides: make(map[string]Limit),
		buckets:   make(map[string]*Bucket),
	}
}

// Bucket returns the cluster's bucket, full if it is new. It is the same one
// on every call until Forget.
func (b *Buckets) Bucket(cluster string) *Bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket := b.buckets[cluster]
	if bucket == nil {
		bucket = NewBucket(b.limitLocked(cluster))
		b.buckets[cluster] = bucket
	}
	return bucket
}

// Limit returns the limit in effect for the cluster.
func (b *Buckets) Limit(cluster string) Limit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limitLocked(cluster)
}

// Set overrides the default for one cluster, now and whenever it comes back
// after Forget. It panics if l is not valid. Who waits out what Take told him
// under the old limit does not hear of it: see queue.Queue.SetLimit.
func (b *Buckets) Set(cluster string, l Limit) {
	l.mustBeValid()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.overrides[cluster] = l
	if bucket := b.buckets[cluster]; bucket != nil {
		bucket.Set(l)
	}
}

// Unset takes back what Set said: the cluster follows the default again.
func (b *Buckets) Unset(cluster string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.overrides, cluster)
	if bucket := b.buckets[cluster]; bucket != nil {
		bucket.Set(b.def)
	}
}

// SetDefault changes the limit of every cluster that has no override. It
// panics if l is not valid.
func (b *Buckets) SetDefault(l Limit) {
	l.mustBeValid()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.def = l
	for cluster, bucket := range b.buckets {
		if _, overridden := b.overrides[cluster]; !overridden {
			bucket.Set(l)
		}
	}
}

// Forget frees the cluster's bucket. Its override, if any, is configuration
// and stays: a cluster that leaves and comes back finds its limit, with a full
// bucket. Who still holds the old bucket may go on using it, but changes of
// the limit no longer reach it.
func (b *Buckets) Forget(cluster string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.buckets, cluster)
}

func (b *Buckets) limitLocked(cluster string) Limit {
	if l, overridden := b.overrides[cluster]; overridden {
		return l
	}
	return b.def
}
