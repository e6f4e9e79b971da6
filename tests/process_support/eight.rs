//! Eight processes that share one login.

use std::{sync::Arc, time::Duration};

use tower_reauth::FileStore;

use super::{Folder, Holds, child::Child, front::Front, http, remote::Server, session};

pub const PROCESSES: usize = 8;

/// The processes, and what stands before the server.
pub struct Eight {
    pub front: Front,
    pub children: Vec<Child>,
    _folder: Folder,
}

impl Eight {
    /// With a login that was done by another process.
    pub async fn logged_in(server: Arc<dyn Server>, lifetime: Option<Duration>, role: &str) -> Self {
        let (front, folder) = (Front::start(server, lifetime).await, Folder::new());
        let tokens = front.log_in().await;
        let store = FileStore::open(&*folder).unwrap();
        let first = session(Holds::Nothing, front.endpoint(http()), store, |settings| {
            settings.tokens = Some(tokens.clone());
        });
        first.save().await.unwrap();
        Self::over(front, folder, role, Holds::Nothing)
    }

    pub async fn with_wrong_password(server: Arc<dyn Server>, role: &str) -> Self {
        let (front, folder) = (Front::start(server, None).await, Folder::new());
        Self::over(front, folder, role, Holds::WrongPassword)
    }

    fn over(front: Front, folder: Folder, role: &str, holds: Holds) -> Self {
        let children = (0..PROCESSES).map(|_| Child::new(role, &folder, &front.url, holds, None)).collect();
        Self { front, children, _folder: folder }
    }

    /// Lets all of them do their next thing at once, and tells what they say. Away from the runtime that serves them.
    pub async fn all(&mut self, word: &'static str) -> Vec<String> {
        let mut children = std::mem::take(&mut self.children);
        let (children, said) = tokio::task::spawn_blocking(move || {
            children.iter_mut().for_each(Child::go_on);
            let said = children.iter_mut().map(|child| child.says(word)).collect();
            (children, said)
        })
        .await
        .unwrap();
        self.children = children;
        said
    }

    pub async fn are_ready(&mut self) {
        let mut children = std::mem::take(&mut self.children);
        self.children = tokio::task::spawn_blocking(move || {
            children.iter_mut().for_each(|child| drop(child.says("ready")));
            children
        })
        .await
        .unwrap();
    }

    /// One token request for each renewal: every one was answered with tokens, and no refresh token came twice.
    pub fn assert_one_request_for_each_renewal(&self) {
        assert!(!self.front.saw_one_twice());
        for asked in self.front.asked() {
            assert_eq!((asked.grant_type.as_str(), asked.status), ("refresh_token", 200));
        }
    }
}
