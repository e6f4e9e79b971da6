//! What is seen: a table that is drawn over and over on a terminal, lines elsewhere.

use std::{
    collections::VecDeque,
    env,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinHandle, time::interval};

use crate::board::{Board, Doing, Report};

const DRAW_EVERY: Duration = Duration::from_millis(100);
/// More replicas stand side by side: a terminal has 24 lines, of 80 columns and more.
const ROWS: usize = 16;
const STORIES: usize = 4;

pub(crate) struct Screen {
    began: Instant,
    stories: Arc<Mutex<VecDeque<String>>>,
    /// Draws, if this is a terminal.
    painter: Option<JoinHandle<()>>,
    board: watch::Sender<Board>,
}

/// What a terminal shows so far.
struct Canvas {
    colours: bool,
    lines: usize,
}

impl Screen {
    pub(crate) fn new(board: watch::Sender<Board>) -> Self {
        let stories = Arc::<Mutex<VecDeque<String>>>::default();
        let painter = io::stdout().is_terminal().then(|| {
            let (board, stories) = (board.clone(), stories.clone());
            tokio::spawn(async move {
                let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let mut canvas = Canvas { colours: !unwanted, lines: 0 };
                let mut ticks = interval(DRAW_EVERY);
                loop {
                    ticks.tick().await;
                    canvas.draw(&board.borrow(), &stories.lock().unwrap_or_else(PoisonError::into_inner));
                }
            })
        });
        Self { began: Instant::now(), stories, painter, board }
    }

    /// Something has happened.
    pub(crate) fn tell(&self, what: &str) {
        let line = format!("{:>7.2} s  {what}", self.began.elapsed().as_secs_f64());
        if self.painter.is_none() {
            println!("{line}");
            return;
        }
        let mut stories = self.stories.lock().unwrap_or_else(PoisonError::into_inner);
        stories.push_back(line);
        if stories.len() > STORIES {
            stories.pop_front();
        }
    }

    /// Leaves the last table where it is.
    pub(crate) fn close(&self) {
        match &self.painter {
            Some(painter) => painter.abort(),
            None => rows(&self.board.borrow(), false).iter().for_each(|row| println!("{row}")),
        }
    }
}

impl Canvas {
    fn draw(&mut self, board: &Board, stories: &VecDeque<String>) {
        let rows = rows(board, self.colours);
        let blank = String::new();
        let stories = (0..STORIES).map(|at| stories.get(at).unwrap_or(&blank));
        let lines: Vec<_> = rows.iter().chain([&blank]).chain(stories).collect();
        let mut picture = String::new();
        // To where the last picture began; each line takes away what was there (ECMA-48: CUU, EL).
        if self.lines > 0 {
            picture.push_str(&format!("\u{1b}[{}A", self.lines));
        }
        for line in &lines {
            picture.push_str(&format!("{line}\u{1b}[K\n"));
        }
        self.lines = lines.len();
        let mut output = io::stdout().lock();
        let _ = output.write_all(picture.as_bytes());
        let _ = output.flush();
    }
}

fn rows(board: &Board, colours: bool) -> Vec<String> {
    let columns = board.replicas.len().div_ceil(ROWS);
    let head = ["replica  does    token    200s"; 4][..columns].join("   ");
    let height = board.replicas.len().div_ceil(columns);
    let row = |row: usize| {
        let places = (0..columns).map(|column| column * height + row).filter(|at| *at < board.replicas.len());
        places.map(|at| cell(at + 1, &board.replicas[at], colours)).collect::<Vec<_>>().join("   ")
    };
    [head].into_iter().chain((0..height).map(row)).collect()
}

fn cell(number: usize, report: &Report, colours: bool) -> String {
    let Report { doing, token, good, .. } = report;
    let does = format!("{:6}", doing.word());
    let does = match doing {
        Doing::Renews if colours => format!("\u{1b}[1;32m{does}\u{1b}[0m"),
        Doing::Waits if colours => format!("\u{1b}[33m{does}\u{1b}[0m"),
        Doing::Killed if colours => format!("\u{1b}[31m{does}\u{1b}[0m"),
        _ => does,
    };
    format!("{number:>7}  {does}  {token:>5}  {good:>6}")
}
