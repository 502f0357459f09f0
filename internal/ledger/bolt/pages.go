package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// Pages counts what a file consists of.
type Pages = ledger.Pages

// The layout of bbolt's pages (bbolt/internal/common), in the machine's byte
// order.
const (
	magic         = 0xED0CDAED
	layout        = 2
	pageHeader    = 16 // id 8, flags 2, count 2, overflow 4
	elementHeader = 16
	bucketHeader  = 16 // root 8, sequence 8
	metaSize      = 64
	branchPage    = 0x01
	leafPage      = 0x02
	metaPage      = 0x04
	freelistPage  = 0x10
	bucketElement = 0x01
	manyFree      = 0xFFFF // as count: the number stands before the list
	minPageSize   = 1 << 10
	maxPageSize   = 1 << 24
)

var order = binary.NativeEndian

// checkPages reads every page of a bbolt file and says where it is damaged.
// bbolt's own check takes pages as they are, so that a damaged one may end the
// process; and it reads them through a mapping, where a page that is not there
// is a fault.
//
// A crash may leave one of the two meta pages half written: the other one then
// stands for the transaction before.
func checkPages(r io.ReaderAt, size int64) (Pages, error) {
	c := &checker{r: r}
	if err := c.readMeta(size); err != nil {
		return Pages{}, err
	}
	pages := Pages{Size: c.pageSize, Total: int(c.meta.pages)}
	if c.meta.pages > uint64(size)/uint64(c.pageSize) {
		return pages, fmt.Errorf("%w: it is truncated to %d bytes, of %d pages of %d", ledger.ErrCorrupt, size, c.meta.pages, c.pageSize)
	}
	c.seen = make([]bool, c.meta.pages)
	c.seen[0], c.seen[1] = true, true
	if err := c.tree(c.meta.root, 0, nil, nil); err != nil {
		return pages, err
	}
	var err error
	if pages.Free, err = c.freelist(c.meta.freelist); err != nil {
		return pages, err
	}
	for id, seen := range c.seen {
		if !seen {
			return pages, damage(uint64(id), "nothing leads to it, and it is not free")
		}
	}
	return pages, nil
}

type checker struct {
	r        io.ReaderAt
	pageSize int
	meta     meta
	seen     []bool
	buffers  [][]byte // by depth
}

type meta struct{ root, freelist, pages, transaction uint64 }

func damage(page uint64, format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ledger.ErrCorrupt, page, fmt.Sprintf(format, args...))
}

// readMeta finds the newer one of the valid meta pages, as bbolt does.
func (c *checker) readMeta(size int64) error {
	if size == 0 {
		return fmt.Errorf("%w: it is empty", ledger.ErrCorrupt)
	}
	found := false
	var failed error
	take := func(offset int64, number uint64) {
		b := make([]byte, pageHeader+metaSize)
		if _, err := c.r.ReadAt(b, offset); err != nil {
			if !errors.Is(err, io.EOF) {
				failed = err
			}
			return
		}
		m, pageSize, ok := parseMeta(b[pageHeader:])
		if !ok || offset != int64(number)*int64(pageSize) || order.Uint64(b) != number || order.Uint16(b[8:])&metaPage == 0 {
			return
		}
		if !found || m.transaction > c.meta.transaction {
			c.meta, c.pageSize, found = m, pageSize, true
		}
	}
	take(0, 0)
	if found {
		take(int64(c.pageSize), 1)
	} else {
		for offset := int64(minPageSize); offset <= maxPageSize; offset *= 2 {
			take(offset, 1)
		}
	}
	if failed != nil {
		return fmt.Errorf("read its meta pages: %w", failed)
	}
	if !found {
		return fmt.Errorf("%w: neither of its meta pages is valid", ledger.ErrCorrupt)
	}
	if c.meta.pages < 3 {
		return fmt.Errorf("%w: its meta page tells of %d pages", ledger.ErrCorrupt, c.meta.pages)
	}
	return nil
}

func parseMeta(b []byte) (m meta, pageSize int, ok bool) {
	h := fnv.New64a()
	_, _ = h.Write(b[:56]) // never fails
	size := order.Uint32(b[8:])
	if order.Uint32(b) != magic || order.Uint32(b[4:]) != layout || order.Uint64(b[56:]) != h.Sum64() ||
		size < minPageSize || size > maxPageSize || size&(size-1) != 0 {
		return m, 0, false
	}
	return meta{
		root:        order.Uint64(b[16:]),
		freelist:    order.Uint64(b[32:]),
		pages:       order.Uint64(b[40:]),
		transaction: order.Uint64(b[48:]),
	}, int(size), true
}

// page reads a page that nothing else has led to.
func (c *checker) page(id uint64, depth int) ([]byte, error) {
	if id < 2 || id >= c.meta.pages {
		return nil, damage(id, "there is no such page")
	}
	for len(c.buffers) <= depth {
		c.buffers = append(c.buffers, make([]byte, c.pageSize))
	}
	b := c.buffers[depth][:c.pageSize]
	if _, err := c.r.ReadAt(b, int64(id)*int64(c.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	overflow := uint64(order.Uint32(b[12:]))
	if order.Uint64(b) != id || id+overflow >= c.meta.pages {
		return nil, damage(id, "its header is wrong")
	}
	if overflow > 0 {
		b = append(b, make([]byte, int(overflow)*c.pageSize)...)
		if _, err := c.r.ReadAt(b[c.pageSize:], int64(id+1)*int64(c.pageSize)); err != nil {
			return nil, fmt.Errorf("read page %d: %w", id, err)
		}
		c.buffers[depth] = b
	}
	for i := id; i <= id+overflow; i++ {
		if c.seen[i] {
			return nil, damage(i, "it is used twice")
		}
		c.seen[i] = true
	}
	return b, nil
}

// tree checks a page and everything below it. Its keys are from least, and
// below limit if that is not nil.
func (c *checker) tree(id uint64, depth int, least, limit []byte) error {
	b, err := c.page(id, depth)
	if err != nil {
		return err
	}
	return c.elements(id, b, depth, least, limit)
}

// elements checks what is in a page, or in a bucket that is small enough to lie
// within its parent's.
func (c *checker) elements(id uint64, b []byte, depth int, least, limit []byte) error {
	flags, n := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != branchPage && flags != leafPage {
		return damage(id, "it is neither branch nor leaf")
	}
	if pageHeader+n*elementHeader > len(b) || flags == branchPage && n == 0 {
		return damage(id, "it cannot hold %d elements", n)
	}
	keys := make([][]byte, n+1)
	values := make([][]byte, n)
	for i := range n {
		at := pageHeader + i*elementHeader
		e := b[at : at+elementHeader]
		pos, ksize, vsize := order.Uint32(e), uint64(order.Uint32(e[4:])), uint64(0)
		if flags == leafPage {
			pos, ksize, vsize = order.Uint32(e[4:]), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
		}
		start := uint64(at) + uint64(pos)
		if ksize == 0 || start < uint64(pageHeader+n*elementHeader) || start+ksize+vsize > uint64(len(b)) {
			return damage(id, "element %d does not lie in it", i)
		}
		keys[i] = b[start : start+ksize]
		values[i] = b[start+ksize : start+ksize+vsize]
		if i == 0 && bytes.Compare(keys[i], least) < 0 || i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0 ||
			limit != nil && bytes.Compare(keys[i], limit) >= 0 {
			return damage(id, "element %d is out of order", i)
		}
	}
	keys[n] = limit
	for i := range n {
		e := b[pageHeader+i*elementHeader:]
		var err error
		switch {
		case flags == branchPage:
			err = c.tree(order.Uint64(e[8:]), depth+1, keys[i], keys[i+1])
		case order.Uint32(e) == bucketElement:
			err = c.bucket(id, values[i], depth)
		case order.Uint32(e) != 0:
			err = damage(id, "element %d is of no known kind", i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) bucket(id uint64, value []byte, depth int) error {
	if len(value) < bucketHeader {
		return damage(id, "a bucket has no header")
	}
	if root := order.Uint64(value); root != 0 {
		return c.tree(root, depth+1, nil, nil)
	}
	if value = value[bucketHeader:]; len(value) < pageHeader || order.Uint16(value[8:]) != leafPage {
		return damage(id, "a bucket within it has no page")
	}
	return c.elements(id, value, depth, nil, nil)
}

// freelist checks that what is free is not used.
func (c *checker) freelist(id uint64) (n int, err error) {
	b, err := c.page(id, 0)
	if err != nil {
		return 0, err
	}
	if order.Uint16(b[8:]) != freelistPage {
		return 0, damage(id, "it is not the list of free pages")
	}
	count, b := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if count == manyFree {
		count, b = order.Uint64(b), b[8:]
	}
	if count > uint64(len(b)/8) {
		return 0, damage(id, "it cannot hold %d free pages", count)
	}
	for i := range count {
		free := order.Uint64(b[i*8:])
		if free < 2 || free >= c.meta.pages || c.seen[free] {
			return 0, damage(id, "page %d is not free", free)
		}
		c.seen[free] = true
	}
	return int(count), nil
}
