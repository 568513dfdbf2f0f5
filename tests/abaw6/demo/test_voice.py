from __future__ import annotations

import numpy as np

from abaw6.demo import voice

SECONDS = 6.0


def _speech(arousal: float, valence: float, seed: int = 0, **manner: float) -> np.ndarray:
    n = int(SECONDS * voice.PROSODY_RATE) + 2
    prosody = voice.Prosody(np.full(n, arousal), np.full(n, valence), **manner)
    rng = np.random.default_rng(seed)
    spoken = voice.syllables(rng, prosody, SECONDS)
    return voice.speak(rng, voice.Speaker(120.0, 1.0, 1.0, 0.04), spoken, prosody, SECONDS)


def _rms(samples_S: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples_S, dtype=np.float64))))


def _pitch(samples_S: np.ndarray) -> float:
    """Median autocorrelation pitch of the loud windows, in hertz."""
    windows = samples_S[: len(samples_S) // 800 * 800].reshape(-1, 800).astype(np.float64)
    loud = windows[np.square(windows).mean(1) > 0.5 * np.square(windows).mean()]
    found = []
    for window in loud:
        correlation = np.correlate(window, window, "full")[799:]
        found.append(voice.RATE / (40 + int(np.argmax(correlation[40:280]))))
    return float(np.median(found))


def _brightness(samples_S: np.ndarray) -> float:
    """Centre of the power spectrum, in hertz."""
    power = np.abs(np.fft.rfft(samples_S)) ** 2
    return float((power * np.fft.rfftfreq(len(samples_S), 1 / voice.RATE)).sum() / power.sum())


def test_samples_are_sixteen_kilohertz_and_bounded() -> None:
    samples_S = _speech(0.0, 0.0)
    assert samples_S.dtype == np.float32
    assert len(samples_S) == SECONDS * 16_000
    assert 0.05 < np.abs(samples_S).max() <= 1.0


def test_arousal_raises_loudness_pitch_and_rate() -> None:
    calm_S, excited_S = _speech(-0.8, 0.0), _speech(0.8, 0.0)
    assert 20 * np.log10(_rms(excited_S) / _rms(calm_S)) > 9
    assert _pitch(excited_S) > 1.4 * _pitch(calm_S)
    n = int(SECONDS * voice.PROSODY_RATE)
    count = [
        len(voice.syllables(np.random.default_rng(1), voice.Prosody(np.full(n, a), np.zeros(n)), SECONDS))
        for a in (-0.8, 0.0, 0.8)
    ]
    assert count[0] < count[1] < count[2]


def test_valence_brightens_the_voice() -> None:
    assert _brightness(_speech(0.0, 0.8)) > 1.3 * _brightness(_speech(0.0, -0.8))


def test_manners_change_the_sound() -> None:
    plain_S = _speech(0.0, 0.0)
    for manner in ("laugh", "tremor", "flat", "glide"):
        assert np.abs(_speech(0.0, 0.0, **{manner: 1.0}) - plain_S).max() > 0.02


def test_the_mouth_opens_with_the_syllables() -> None:
    n = int(SECONDS * voice.PROSODY_RATE)
    spoken = voice.syllables(np.random.default_rng(0), voice.Prosody(np.zeros(n), np.zeros(n)), SECONDS)
    t_F = np.arange(0, SECONDS, 0.04)
    open_F = voice.mouth(t_F, spoken)
    inside_F = np.array([any(s.start < t < s.start + s.seconds for s in spoken) for t in t_F])
    assert 0.3 < inside_F.mean() < 0.95
    assert open_F[inside_F].min() >= 0.4
    assert open_F[~inside_F].mean() < 0.3
    assert voice.mouth(t_F, ()).max() == 0.0


def test_rooms_sound_different_and_stay_quiet() -> None:
    rooms = [voice.room(np.random.default_rng(0), 1.0, scene) for scene in range(4)]
    assert all(0.0 < _rms(room_S) < 0.01 for room_S in rooms)
    assert len({round(_brightness(room_S)) for room_S in rooms}) >= 3


def test_speech_repeats_by_seed() -> None:
    assert np.array_equal(_speech(0.2, 0.1, seed=4), _speech(0.2, 0.1, seed=4))
    assert not np.array_equal(_speech(0.2, 0.1, seed=4), _speech(0.2, 0.1, seed=5))
