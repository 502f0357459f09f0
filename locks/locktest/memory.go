package locktest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// Memory is a record in memory, for the locks of several processes that are all in
// this one. The zero value is a record that does not exist yet. It may be used from
// several goroutines.
type Memory struct {
	mu      sync.Mutex
	version int // of the last write, also of a record that was deleted since
	exists  bool
	record  resourcelock.LeaderElectionRecord
}

// Delete deletes the record.
func (m *Memory) Delete() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.exists = false
}

// Lock returns a lock on the record for the process of that identity. Like any
// lock, one goroutine uses it at a time.
func (m *Memory) Lock(identity string) *MemoryLock {
	return &MemoryLock{memory: m, identity: identity}
}

// MemoryLock is a lock on a [Memory].
type MemoryLock struct {
	memory   *Memory
	identity string
	seen     int // version; 0: none
	term     locks.Term
}

var (
	_ resourcelock.Interface = (*MemoryLock)(nil)
	_ locks.Fenced           = (*MemoryLock)(nil)
)

var resource = schema.GroupResource{Group: "locktest", Resource: "memory"}

// Get returns a copy of the record, and NotFound if there is none.
func (l *MemoryLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if !l.memory.exists {
		l.term.Interrupted()
		return nil, nil, apierrors.NewNotFound(resource, "record")
	}
	record := l.memory.record
	l.saw(record, l.memory.version)
	return &record, encode(record), nil
}

// encode returns the bytes that are equal for equal records.
func encode(r resourcelock.LeaderElectionRecord) []byte {
	var b bytes.Buffer
	b.WriteString(strconv.Quote(r.HolderIdentity))
	for _, n := range []int64{int64(r.LeaseDurationSeconds), int64(r.LeaderTransitions), r.AcquireTime.UnixMicro(), r.RenewTime.UnixMicro()} {
		b.WriteByte(' ')
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.Bytes()
}

// Create makes the record, and returns AlreadyExists if there is one.
func (l *MemoryLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if l.memory.exists {
		return apierrors.NewAlreadyExists(resource, "record")
	}
	l.memory.exists = true
	l.term.Interrupted() // what is made anew begins a term
	l.writeLocked(record)
	return nil
}

// Update replaces the record that this lock has seen or written last, and returns
// Conflict if it is not that one any more.
func (l *MemoryLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if !l.memory.exists || l.seen != l.memory.version {
		return apierrors.NewConflict(resource, "record", errors.New("it is not the one that was seen last"))
	}
	l.writeLocked(record)
	return nil
}

func (l *MemoryLock) writeLocked(record resourcelock.LeaderElectionRecord) {
	l.memory.version++ // never again the same, also after Delete
	l.memory.record = record
	l.saw(record, l.memory.version)
}

// saw notes the record that there is.
func (l *MemoryLock) saw(record resourcelock.LeaderElectionRecord, version int) {
	l.seen = version
	l.term.Saw(record.HolderIdentity == l.identity, uint64(version))
}

// Token returns the version of the record with which this process's term began.
func (l *MemoryLock) Token() uint64 { return l.term.Token() }

// RecordEvent does nothing.
func (*MemoryLock) RecordEvent(string) {}

// Identity returns the identity that Lock was given.
func (l *MemoryLock) Identity() string { return l.identity }

// Describe says that this is a record in memory.
func (*MemoryLock) Describe() string { return "memory" }
