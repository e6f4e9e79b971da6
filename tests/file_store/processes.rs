//! Several processes, and what becomes of the others when one is killed or stopped.

use std::{sync::mpsc, thread, time::Duration};

use tower_reauth::{Leased, TokenStore};

use super::{
    child::{Child, RACE},
    folder::{Folder, key, number, record, save, says, version},
};

#[test]
fn each_save_is_won_by_one_process() {
    let folder = Folder::new();
    let mut children: Vec<_> = (0..4).map(|_| Child::new("race for saves", &folder)).collect();
    children.iter_mut().for_each(|child| drop(child.says("ready")));
    children.iter_mut().for_each(Child::go_on);
    let mut won: Vec<u64> = Vec::new();
    for child in &mut children {
        while let Some(("won", number)) = child.says("").split_once(' ') {
            won.push(number.parse().unwrap());
        }
    }
    won.sort_unstable();
    assert_eq!(won, (1..=RACE).collect::<Vec<_>>());
    assert!(folder.all(".tmp").is_empty());
}

#[test]
fn lease_is_held_by_one_process_at_a_time() {
    let folder = Folder::new();
    let mut children: Vec<_> = (0..4).map(|_| Child::new("race for leases", &folder)).collect();
    children.iter_mut().for_each(|child| drop(child.says("ready")));
    children.iter_mut().for_each(Child::go_on);
    children.iter_mut().for_each(|child| drop(child.says("done")));
}

/// As when many programs are started, and each tidies up.
#[test]
fn lease_is_held_by_one_process_while_others_remove_its_file() {
    let folder = Folder::new();
    let mut sweeper = Child::new("sweep for ever", &folder);
    sweeper.says("ready");
    let mut children: Vec<_> = (0..3).map(|_| Child::new("race for leases", &folder)).collect();
    children.iter_mut().for_each(|child| drop(child.says("ready")));
    children.iter_mut().for_each(Child::go_on);
    children.iter_mut().for_each(|child| drop(child.says("done")));
    sweeper.kill();
}

#[tokio::test]
async fn lease_ends_with_its_process() {
    let folder = Folder::new();
    let store = folder.store();
    let mut child = Child::new("lease", &folder);
    child.says("held");
    assert!(matches!(store.lease(&key()).await.unwrap(), Leased::Taken));
    child.kill();
    let lease = store.lease(&key()).await.unwrap();
    assert!(matches!(lease, Leased::Held(_)));
    Child::new("lease", &folder).says("taken");
    drop(lease);
    Child::new("lease", &folder).says("held");
}

#[tokio::test]
async fn lease_of_a_stopped_process_is_taken() {
    let folder = Folder::new();
    let store = folder.store();
    let mut child = Child::new("lease", &folder);
    child.says("held");
    child.signal("STOP");
    assert!(matches!(store.lease(&key()).await.unwrap(), Leased::Taken));
    // What protects is the version: the save goes on without the lease.
    save(&store, 1).await;
    assert_eq!(number(&store).await, Some(1));
}

#[tokio::test]
async fn save_does_not_hang_behind_a_stopped_process() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let lock = folder.only(".json").with_extension("lock");
    let mut child = Child::new("hold a lock", &lock);
    child.says("held");
    child.signal("STOP");

    // Away from this runtime, which would wait for it.
    let (tell, told) = mpsc::channel();
    let stuck = store.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let saved = runtime.block_on(stuck.save(&key(), &record(2), Some(version(1))));
        tell.send(saved).unwrap();
    });
    let error = told.recv_timeout(Duration::from_secs(60)).expect("it does not hang").unwrap_err();
    says(&error, &[lock.to_str().unwrap(), "another process has held", "stopped"]);

    // Reading goes on, and so does the rest when the process is gone.
    assert_eq!(number(&store).await, Some(1));
    child.kill();
    save(&store, 2).await;
}

#[tokio::test]
async fn killed_writer_leaves_a_whole_record() {
    let folder = Folder::new();
    let store = folder.store();
    for round in 0..30 {
        let mut child = Child::new("save for ever", &folder);
        let mut last = 0;
        // Killed at another place of the loop each time.
        for _ in 0..=round % 7 {
            last = child.says("saved").parse().unwrap();
        }
        child.kill();
        let found = number(&store).await.expect("the record is there");
        assert!(found >= last, "the save of {last} was told, and {found} is there");
        save(&store, found + 1).await;
    }
}

#[test]
fn full_disk_is_told_and_the_record_stays() {
    let folder = Folder::new();
    let mut child = Child::with_shell("trap '' XFSZ", "fill the disk", &folder);
    let said = child.says("failed");
    assert!(said.contains(folder.to_str().unwrap()) && said.contains("too large"), "{said}");
    child.says("done");
    assert!(folder.all(".tmp").is_empty(), "what was written in part is removed");
}
