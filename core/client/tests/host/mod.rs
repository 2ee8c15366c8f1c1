//! What the real front serves in tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{HeaderValue, Response};
use paifang_access::{
    Admission, Call, Client as Connected, Delivery, Denied, Host, Limits, Target, User,
};
use paifang_client::Auth;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Closing, Hello},
};
use paifang_pipeline::{BodySize, Frame, Front, Inbound};

/// Answers each call with its body; `slow` after a second. As many HELLOs as it says are refused first, with seven seconds to wait.
#[derive(Default)]
pub(crate) struct Echo(pub(crate) AtomicU32);

impl Host for Echo {
    type Transport = ();

    fn limits(&self, (): &()) -> Arc<Limits> {
        Arc::default()
    }

    async fn admit(&self, (): &(), _: &Hello) -> Result<Admission, Box<Closing>> {
        match self.0.try_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(Box::new(Closing { after: 7000, ..Closing::new(CloseCode::TOO_FAST) })),
            Err(_) => Ok(Admission::default()),
        }
    }

    async fn authenticate(
        &self,
        _: &Arc<Connected<()>>,
        auth: &Auth,
    ) -> Result<Option<User>, Denied> {
        match &*auth.credential {
            b"bad" => Err(Denied::new(401, 2010, "no")),
            id => Ok(Some(User { id: String::from_utf8_lossy(id).into(), zone: None })),
        }
    }

    async fn serve<F: Front>(&self, call: Call<()>, front: &mut F) {
        if matches!(&call.target, Target::Operation { name, .. } if &**name == "slow") {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let mut head = Response::new(()).into_parts().0;
        let user = call.user.as_ref().map_or("nobody".into(), |user| user.id.to_string());
        head.headers.insert("x-user", HeaderValue::try_from(user).unwrap());
        head.headers.insert("x-call", HeaderValue::try_from(call.id.to_string()).unwrap());
        if front.send_head(head, BodySize::Unknown).await.is_err() {
            return;
        }
        while !front.body_ended() {
            let Ok(Inbound::Frame(frame)) = front.recv().await else { return };
            if front.send(Frame { end: false, ..frame }).await.is_err() {
                return;
            }
        }
        // The client may be gone.
        let _ = front.send(Frame::last("!".into())).await;
    }

    async fn deliver(&self, _: &Arc<Connected<()>>, _: Delivery) -> bool {
        true
    }
}
