// Command lease-contender takes part in an election by client-go's own leader election, as a Go controller does, and
// says on standard output when it leads: one JSON object a line, with the machine's monotonic time, which other
// processes can compare.
//
// It joins again after it has lost the lease, and gives the lease up on SIGTERM only with -release.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// clockMonotonic is CLOCK_MONOTONIC of Linux.
const clockMonotonic = 1

type line struct {
	Event    string `json:"event"`
	Identity string `json:"identity"`
	// Nanoseconds of CLOCK_MONOTONIC.
	At int64 `json:"at"`
}

var output sync.Mutex

func say(event, identity string) {
	output.Lock()
	defer output.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line{event, identity, monotonic()}); err != nil {
		fail(err)
	}
}

func monotonic() int64 {
	var now syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	if errno != 0 {
		fail(errno)
	}
	return now.Nano()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	namespace := flag.String("namespace", "", "namespace of the Lease")
	name := flag.String("name", "", "name of the Lease")
	identity := flag.String("identity", "", "who this is")
	lease := flag.Duration("lease-duration", 15*time.Second, "as client-go")
	renew := flag.Duration("renew-deadline", 10*time.Second, "as client-go")
	retry := flag.Duration("retry-period", 2*time.Second, "as client-go")
	release := flag.Bool("release", false, "give the Lease up on SIGTERM")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fail(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		fail(err)
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	election := leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: *namespace, Name: *name},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: *identity},
		},
		LeaseDuration:   *lease,
		RenewDeadline:   *renew,
		RetryPeriod:     *retry,
		ReleaseOnCancel: *release,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				say("leads", *identity)
				// As a controller that looks at its context at every step.
				for leading.Err() == nil {
					say("works", *identity)
					time.Sleep(20 * time.Millisecond)
				}
			},
			OnStoppedLeading: func() { say("follows", *identity) },
		},
	}
	say("joins", *identity)
	for stop.Err() == nil {
		leaderelection.RunOrDie(stop, election)
	}
}
