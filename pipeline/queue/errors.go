package queue

import "errors"

// Errors that Offer, TryOffer and WaitRoom return, alone or wrapped.
var (
	// ErrFull says that TryOffer would have to wait for room in the item's lane,
	// or for memory that other lanes hold. The item has not been added: offer it
	// again when WaitRoom returns, or with Offer.
	ErrFull = errors.New("lane is full")
	// ErrClusterRemoved says that the item's cluster is being removed from the
	// queue, or was while the Offer was blocked. What is offered once
	// RemoveCluster has returned makes a new lane: see Options.Known.
	ErrClusterRemoved = errors.New("cluster removed from the queue")
	// ErrShuttingDown says that the queue takes nothing any more.
	ErrShuttingDown = errors.New("queue is shutting down")
)
